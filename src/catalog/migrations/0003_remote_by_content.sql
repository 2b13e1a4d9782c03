-- Version 2 to 3: files of the provider are found by their content.

CREATE INDEX remote_by_content ON remote (hash) WHERE size >= 65536;
