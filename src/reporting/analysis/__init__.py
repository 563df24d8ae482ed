"""What the numbers of a run say: importance, noise, the winner's predictions. Pure functions."""
