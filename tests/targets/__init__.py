"""One manifest for several accounts and Regions: a run for each, all of them in one process at once."""
