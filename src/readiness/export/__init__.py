"""What other systems read of a run: metrics. Like a report, each is made of the run document alone."""
