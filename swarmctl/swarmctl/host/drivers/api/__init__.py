"""The driver of a model API: no command line, but the model itself, with three tools.

    driver.py     a turn: ask the model, run what it calls, until it calls nothing
    chunks.py     a piece of a streamed answer, checked: pure
    answers.py    a streamed answer put together; what it costs; how it ended: pure
    errors.py     what a refused request means, and when to try again: pure
    history.py    the session: a file of JSON lines, written before anything follows from it
    tools.py      bash, read_file, write_file
    options.py    what a profile may say

The model is spoken to by the official client of the Chat Completions API, which most providers offer. It is loaded with
driver.py, not here: a profile is checked without it.
"""
