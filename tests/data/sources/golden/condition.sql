SELECT * FROM (SELECT * FROM (SELECT * FROM `school`.`sales`.`rows`) WHERE `city` LIKE 'A%' AND `day` >= CAST('2024-01-01' AS DATE) OR `id` IN (1, 2)) AS `t0` ORDER BY `t0`.`id` ASC NULLS LAST
