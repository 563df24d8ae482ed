"""What a search shows in the terminal."""
