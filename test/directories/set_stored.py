# Sets an attribute in a file of Samba's database, past the modules that would refuse it. Arguments: the file, a sAMAccountName, the
# attribute, its value.
import sys

import ldb

path, username, attribute, value = sys.argv[1:]
database = ldb.Ldb(path, flags=ldb.FLG_DONT_CREATE_DB, options=["modules:"])
found = database.search(expression="(sAMAccountName=%s)" % ldb.binary_encode(username), attrs=["dn"])
if len(found) != 1:
    sys.exit("found %d entries of %s" % (len(found), username))

change = ldb.Message(found[0].dn)
change[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
database.modify(change)
