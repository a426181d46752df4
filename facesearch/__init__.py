"""facesearch: find people in a photo collection, on your own machine."""
