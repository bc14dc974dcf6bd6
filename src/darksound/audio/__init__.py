"""Audio: reading, resampling, the front end from waveform to image, and embedding models."""
