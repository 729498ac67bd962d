-- Everything of roundhouse lives in one database.
CREATE DATABASE IF NOT EXISTS roundhouse;
