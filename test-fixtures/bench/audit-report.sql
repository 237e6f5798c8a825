-- What qf audit report has to look up of each recipient: snapshot 1 against snapshot 3.
.mode csv
.output /dev/null
SELECT m.queue_id, q.path, c.sender, c.created, c.subject, m.bounce_at, r.address, e.outcome, e.time,
	e.stat, l.path, e.line,
	(SELECT f.code FROM findings f WHERE f.message = m.id LIMIT 1),
	(SELECT o.id FROM messages o JOIN contents oc ON oc.id = o.content
	 WHERE o.queue_id = m.queue_id AND o.id <> m.id AND oc.created IS c.created
	 AND (m.data_size < o.data_size
		OR (m.data_size = o.data_size AND m.data_digest <> o.data_digest)) LIMIT 1),
	(SELECT o.id FROM messages o CROSS JOIN presence po ON po.message = o.id AND po.snapshot = 1
	 WHERE o.queue_id = m.queue_id AND o.id < m.id LIMIT 1),
	(SELECT o.id FROM messages o CROSS JOIN presence po ON po.message = o.id AND po.snapshot = 3
	 JOIN contents oc ON oc.id = o.content WHERE o.queue_id = m.queue_id
	 AND oc.created IS c.created AND oc.sender IS c.sender LIMIT 1),
	(SELECT o.id FROM contents oc CROSS JOIN messages o ON o.content = oc.id
	 CROSS JOIN presence po ON po.message = o.id AND po.snapshot = 3
	 WHERE oc.message_id = c.message_id AND o.queue_id <> m.queue_id LIMIT 1)
FROM presence p JOIN messages m ON m.id = p.message JOIN contents c ON c.id = m.content
	JOIN queues q ON q.id = m.queue JOIN recipients r ON r.content = c.id
	LEFT JOIN events e ON e.queue_id = m.queue_id
	LEFT JOIN event_recipients er ON er.event = e.id AND er.bare = r.bare
	LEFT JOIN log_files l ON l.id = e.file
WHERE p.snapshot = 1 ORDER BY m.id;
