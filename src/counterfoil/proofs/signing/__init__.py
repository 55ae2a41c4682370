"""Who signs proofs: keys of people, requests that wait for their quorum, and the envelope that carries the signatures."""
