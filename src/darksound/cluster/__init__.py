"""Finding structure: embedding, reduction, clustering, validity and the MEC loop."""
