"""Learning to compare: backbones, few-shot learners, training and evaluation."""
