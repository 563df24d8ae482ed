"""What a model is worth: metrics, export, retraining, prediction."""
