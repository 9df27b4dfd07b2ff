"""Training: recipes, losses, augmentation, schedule, the loop, and the weights that come out."""
