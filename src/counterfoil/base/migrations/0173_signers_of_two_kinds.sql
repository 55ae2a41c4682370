-- Keys that sign proofs are of two kinds: Ed25519, and ML-DSA-44, whose public half has 1,312 bytes and whose signature 2,420.
alter table signer drop constraint signer_key_is_ed25519,
    add constraint signer_key_is_of_a_kind check (length(public_key) in (32, 1312));
alter table proof_signature drop constraint proof_signature_is_ed25519,
    add constraint proof_signature_is_of_a_kind check (length(signature) in (64, 2420));
