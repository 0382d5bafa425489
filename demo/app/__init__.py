"""A small platform that runs agents: the application of the demo."""
