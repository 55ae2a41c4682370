"""The log: a Merkle tree over every journal and every act of a person; its checkpoints, which leave the database."""
