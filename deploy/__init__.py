"""What production runs: the hourly job, the image and the database roles."""
