-- A function may be called by everybody unless that is said otherwise.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA cronsched FROM PUBLIC;
