"""What every room may use: errors, artefacts, protocols, the task table, files and locks. Imports nothing of Cauce."""
