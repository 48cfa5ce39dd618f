"""The drivers that are built in: each speaks one protocol. See ../driver.py for what one is."""
