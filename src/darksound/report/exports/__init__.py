"""What a run found, in the formats of other tools: a file a format, and one list of them all."""
