# The install tree: commands, library, headers, and what find_package(emotion) reads.
