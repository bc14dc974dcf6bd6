"""Finding sound units in long recordings, a block at a time."""
