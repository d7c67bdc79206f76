-- The archive as version 1 made it, with two mails of then.
CREATE TABLE postrider_schema (version int PRIMARY KEY, installed_at timestamptz NOT NULL DEFAULT now());
INSERT INTO postrider_schema (version) VALUES (1);
CREATE TABLE postrider_mails (
	key text COLLATE "C" NOT NULL, job text COLLATE "C" NOT NULL, queue text NOT NULL, status text NOT NULL,
	provider text NOT NULL, attempts bigint NOT NULL, code text NOT NULL, tenant text NOT NULL, tags text[] NOT NULL,
	changed_at timestamptz NOT NULL, entry_ms bigint NOT NULL, entry_seq bigint NOT NULL, details jsonb,
	details_at bigint NOT NULL, PRIMARY KEY (key, job));
CREATE TABLE postrider_attempts (
	key text COLLATE "C" NOT NULL, job text COLLATE "C" NOT NULL, entry_ms bigint NOT NULL, entry_seq bigint NOT NULL,
	queue text NOT NULL, at timestamptz NOT NULL, attempt bigint NOT NULL, status text NOT NULL, provider text NOT NULL,
	code text NOT NULL, ms bigint, PRIMARY KEY (key, job, entry_ms, entry_seq));
INSERT INTO postrider_mails VALUES
	('old-1', '0123456789abcdef', 'mail:queue', 'sent', 'primary', 1, '250 2.0.0', '', '{}',
	 '2025-11-24 16:00:00+00', 1764000000000, 0,
	 '{"to": "ada@example.com", "status": "sent", "subject": "Hi", "owner": "mail:queue#0123456789abcdef",
	   "attempts": "1", "provider": "primary", "created_at": "1763999999000", "updated_at": "1764000000000",
	   "attempt:1": "primary sent 250 2.0.0 12ms ok"}', 1764000000000),
	('old-2', 'fedcba9876543210', 'mail:queue', 'failed', 'primary', 3, '550 5.1.1', 'acme', '{a,b}',
	 '2025-11-24 16:00:01+00', 1764000001000, 0, NULL, 0);
INSERT INTO postrider_attempts VALUES
	('old-1', '0123456789abcdef', 1764000000000, 0, 'mail:queue', '2025-11-24 16:00:00+00', 1, 'sent', 'primary', '250 2.0.0', 12),
	('old-2', 'fedcba9876543210', 1764000001000, 0, 'mail:queue', '2025-11-24 16:00:01+00', 3, 'failed', 'primary', '550 5.1.1', 7);
