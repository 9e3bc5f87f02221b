/* OpenSSL also has a header <openssl/cms.h>. Both can be included, in either order. */
#ifdef OPENSSL_FIRST
#include <openssl/cms.h>
#include <cms.h>
#else
#include <cms.h>
#include <openssl/cms.h>
#endif
#include <stdio.h>

int main(void)
{
    CMS_ContentInfo *content = NULL;
    cms_store *store = NULL;

    CMS_ContentInfo_free(content);
    cms_close(store);
    printf("%s\n", cms_version());
    return 0;
}
