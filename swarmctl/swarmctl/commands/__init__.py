"""One verb a file: parse, one call, render."""
