-- What qf audit reconcile has to look up of each recipient of snapshot 1: is it in snapshot 3, and
-- what does the log say.
.mode csv
.output /dev/null
SELECT m.queue_id, q.path, c.sender, c.created, r.address, e.outcome, e.time, e.stat, l.path, e.line,
	(SELECT rb.n FROM messages mb CROSS JOIN presence pb ON pb.message = mb.id AND pb.snapshot = 3
	 JOIN contents cb ON cb.id = mb.content JOIN recipients rb ON rb.content = cb.id
	 WHERE mb.queue_id = m.queue_id AND cb.created IS c.created AND cb.sender IS c.sender
	 AND rb.bare = r.bare LIMIT 1)
FROM presence p JOIN messages m ON m.id = p.message JOIN contents c ON c.id = m.content
	JOIN queues q ON q.id = m.queue JOIN recipients r ON r.content = c.id
	LEFT JOIN events e ON e.queue_id = m.queue_id
	LEFT JOIN event_recipients er ON er.event = e.id AND er.bare = r.bare
	LEFT JOIN log_files l ON l.id = e.file
WHERE p.snapshot = 1 ORDER BY m.id;
