drop table ledger_entries;
drop table bank_lines;
drop table reconciliations;
