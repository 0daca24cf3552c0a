{
  "subject": {{ toJson .Subject }},
  "keyUsage": ["digitalSignature", "certSign", "crlSign"],
  "basicConstraints": {"isCA": true, "maxPathLen": 0},
  "nameConstraints": {"critical": true, "permittedDNSDomains": ["invalid"]}
}
