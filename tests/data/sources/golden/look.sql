SELECT * FROM `school`.`sales`.`grows` LIMIT 1000
