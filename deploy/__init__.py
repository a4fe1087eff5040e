"""The parts that production runs: the hourly job, the image and the database roles."""
