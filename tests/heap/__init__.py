"""What secrets a process has in its memory, found from outside as a debugger finds them."""
