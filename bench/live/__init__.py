"""The live board under load: Fairboard beside Socket.IO and beside a bare loop of `send`, in one run."""
