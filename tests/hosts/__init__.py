"""Programs that do with strongroom what they are told, each in its language, and how tests speak with them."""
