GRANT USAGE ON SEQUENCE {sequences} TO {role}
