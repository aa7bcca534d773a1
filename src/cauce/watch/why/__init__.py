"""Why a loss or a mean prediction changed between two samples."""
