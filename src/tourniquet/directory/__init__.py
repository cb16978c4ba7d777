"""Who is who: organisations by ODS code, staff accounts with role and scope, and the Viewer."""
