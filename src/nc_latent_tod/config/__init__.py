"""All that files may say: job files and the sections they share, checked whole before anything is loaded."""
