"""What each command does: read the options, call, print. Heavy modules are imported by the command that needs them."""
