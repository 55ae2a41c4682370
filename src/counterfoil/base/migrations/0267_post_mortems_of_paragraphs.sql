-- A post-mortem is a text of paragraphs, of 20,000 characters at most.
alter table incident add constraint incident_post_mortem_size check (length(post_mortem) between 1 and 20000);
