"""Few-shot learning: backbones, learners, episodes, training, evaluation and checkpoints."""
