"""Tests of the images and of compose.yaml, by podman: `make test-images`."""
