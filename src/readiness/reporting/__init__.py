"""Reports: each renders a run document, and nothing else, in one format."""
