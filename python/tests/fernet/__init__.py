"""What the tests of `strongroom.fernet` share, and texts that others wrote."""
