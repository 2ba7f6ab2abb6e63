"""What is measured, as ratios in one run against what a user would pick instead. `make bench` prints it all."""
