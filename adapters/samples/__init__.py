"""Where the samples of load tests go on their way to PLOG's windows."""
