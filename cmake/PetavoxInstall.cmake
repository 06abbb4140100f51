# Install rules; the exported package is completed where its parts exist.
