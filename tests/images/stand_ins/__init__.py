"""Images in place of the ones that no registry can be asked for."""
