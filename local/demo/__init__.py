"""The demo: scenes that Mend plays in a local cloud, each proved by what the cloud itself says afterwards."""
