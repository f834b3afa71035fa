"""Mechanisms shared by several adapters. This package contains no adapter, so entrypoints may use it too."""
