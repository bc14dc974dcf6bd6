"""darksound: groups the bird sounds of unlabelled recordings into call types."""
