drop table matches;
