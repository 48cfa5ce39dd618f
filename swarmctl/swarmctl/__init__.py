"""The command line: the only place that knows typer and rich.

entry       where it begins, before the heavy imports
app         the verbs, loaded when they are called; the one place where errors become text and a status
commands/   one verb a file: parse, one call, render
values      what is written on a command line: durations, times, labels
home        the log as a command opens it
streams     output and events as lines, text or JSON
render      agents as tables or JSON
"""

__version__ = "0.1.0"
